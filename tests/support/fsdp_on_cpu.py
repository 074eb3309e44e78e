"""Run a training program with FSDP over CPU processes, which accelerate itself does not allow.

    accelerate launch --config_file <one with distributed_type: FSDP, use_cpu: true> tests/support/fsdp_on_cpu.py \\
        scripts/train/train_dpo.py ...
"""

import runpy
import sys
from pathlib import Path

from accelerate.state import DistributedType, PartialState

as_it_is = PartialState.__init__


def as_another_device(self, *args, **kwargs):
    as_it_is(self, *args, **kwargs)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self.distributed_type = DistributedType.MULTI_HPU


PartialState.__init__ = as_another_device
del sys.argv[0]
sys.path.insert(0, str(Path(sys.argv[0]).parent))
runpy.run_path(sys.argv[0], run_name="__main__")
