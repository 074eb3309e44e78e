// Each static chart becomes, when it comes near the window, the same chart with tooltips and a legend to click on.
(() => {
  const live = (figure) => {
    const image = figure.querySelector("img");
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const box = document.createElement("div");
    box.className = "live";
    vegaEmbed(box, spec, {renderer: "svg", actions: false, ast: true}).then(() => {
      image.replaceWith(box);
      figure.dataset.live = "yes";
    });
  };
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        near.unobserve(entry.target);
        live(entry.target);
      }
    }
  }, {rootMargin: "400px"});
  for (const figure of document.querySelectorAll("figure.chart")) near.observe(figure);

  // a link to something inside closed details opens them
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();

  // paper shows what is folded on the screen, except the many training examples, which print as they are opened
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")].filter((at) => !at.closest(".iteration"));
    for (const at of opened) at.open = true;
  });
  addEventListener("afterprint", () => {
    for (const at of opened) at.open = false;
  });

  // training examples: search, two filters, and all at once
  const tools = document.getElementById("look-tools");
  const prompts = [...document.querySelectorAll("details.prompt")];
  if (!tools || !prompts.length) return;
  const [search, flips, unread, all, count] =
    ["search", "flips", "unread", "all", "count"].map((name) => document.getElementById("look-" + name));
  tools.hidden = false;
  const filter = () => {
    const wanted = search.value.toLowerCase();
    let shown = 0;
    for (const prompt of prompts) {
      const fits = (!flips.checked || "flips" in prompt.dataset) && (!unread.checked || "unread" in prompt.dataset)
        && (!wanted || prompt.textContent.toLowerCase().includes(wanted));
      prompt.hidden = !fits;
      shown += fits;
      if (fits && (wanted || flips.checked || unread.checked)) prompt.closest(".iteration").open = true;
    }
    count.textContent = shown + " of " + prompts.length + " prompts";
  };
  for (const control of [search, flips, unread]) control.addEventListener("input", filter);
  all.addEventListener("click", () => {
    const state = all.textContent === "Expand all";
    for (const at of document.querySelectorAll("details.iteration, details.prompt")) at.open = state;
    all.textContent = state ? "Collapse all" : "Expand all";
  });
  filter();
})();
