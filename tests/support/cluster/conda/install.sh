#!/usr/bin/env bash
# A conda for the tests, and a channel for it, from a Python package index alone:
#   install.sh FOLDER      then: export CONDA_CHANNEL_ALIAS=file://FOLDER/channels PATH=FOLDER/conda/condabin:$PATH
# Environment files that say `channels: [conda-forge]` work unchanged with it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1 conda=$1/conda
python=${PYTHON:-python3.11}
mkdir -p "$folder/channels/conda-forge"
"$python" -m venv "$conda"
# conda 24.7.1 lies in conda-lock's own folder, whole, and asks for these
"$conda/bin/pip" install --quiet --disable-pip-version-check conda-lock==4.0.3 pycosat boltons archspec \
    conda-package-handling conda-package-streaming distro frozendict jsonpatch platformdirs pluggy requests \
    ruamel.yaml tqdm truststore zstandard setuptools
mkdir -p "$conda/conda-meta" "$conda/condabin" "$conda/etc"
touch "$conda/conda-meta/history"
{ echo "#!$conda/bin/python"; tail -n +2 "$here/conda"; } >"$conda/condabin/conda"
chmod +x "$conda/condabin/conda"
cp "$conda/condabin/conda" "$conda/bin/conda"
cp "$here/activate" "$conda/bin/activate"
cat >"$conda/.condarc" <<'CONDARC'
solver: classic
channels: []
default_channels: []
channel_priority: strict
number_channel_notices: 0
CONDARC
"$python" "$here/make_channel.py" "$folder/channels/conda-forge"
