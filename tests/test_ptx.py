"""The committed PTX, assembled for each generation of GPUs as a driver would."""

import importlib.util
import re

import pytest

from tests.support import framecache as runner

SPEC = importlib.util.spec_from_file_location("instructions", runner.ROOT / "benches" / "gpu" / "instructions.py")
instructions = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(instructions)

MODULES = sorted((runner.ROOT / "kernels").glob("*.ptx"))
ARCHITECTURES = ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100"]


def entries(ptx):
    return set(re.findall(r"\.visible \.entry (\w+)\(", ptx.read_text()))


def untidy(resources):
    return {name for name, needs in resources.items() if needs.spilled_bytes or needs.stack_bytes}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_every_kernel_assembles_and_keeps_all_it_works_on_in_registers(module, architecture, tmp_path):
    resources = instructions.assemble(module, architecture, tmp_path / "kernels.cubin")
    assert set(resources) == entries(module) and resources
    assert untidy(resources) == set()
    # Of 64 K registers: at least 24 warps of 32 threads run beside each other.
    assert max(needs.registers for needs in resources.values()) <= 80


def test_a_kernel_that_has_too_few_registers_is_seen_to_spill(tmp_path):
    module = runner.ROOT / "kernels" / "jfif.ptx"
    few = instructions.assemble(module, "sm_90", tmp_path / "kernels.cubin", "--maxrregcount=24")
    assert "jfif_nv12" in untidy(few)
