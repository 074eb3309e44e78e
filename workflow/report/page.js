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
})();
