"""What every flow promises, for every method whose artifacts it takes."""

import itertools

import numpy as np
import pytest
from test_methods import outliers, train

from nanotrigger.flows.base import CONTRACT, LICENCES, load_flow, refusal
from nanotrigger.methods.base import load_method
from nanotrigger.modules import discover

FLOWS = discover("nanotrigger.flows")
PAIRS = [
    (method, flow, kinds[0])
    for method, flow in itertools.product(discover("nanotrigger.methods"), FLOWS)
    if not refusal(flow, load_flow(flow), load_method(method))
    if (kinds := [kind for kind in load_flow(flow).accepts if kind in load_method(method).exports])
]


def different(pairs):
    """Those pairs whose project and emulation are another's too (as of two tools on one Verilog) are run once."""
    seen = {}
    for method, flow, kind in pairs:
        module = load_flow(flow)
        seen.setdefault((method, kind, module.create_project, module.emulate), (method, flow, kind))
    return list(seen.values())


@pytest.mark.parametrize("flow", FLOWS)
def test_contract(flow):
    module = load_flow(flow)
    assert not [part for part in CONTRACT if not hasattr(module, part)]
    for name, field in module.Params.model_fields.items():
        assert field.description, f"{flow}.Params.{name} has no description"
    if hasattr(module, "licences"):
        assert set(module.licences(module.Params())) <= set(LICENCES)


def test_every_flow_takes_something():
    assert {flow for _, flow, _ in PAIRS} == set(FLOWS)


@pytest.mark.parametrize("method, flow, kind", different(PAIRS))
def test_emulation_equals_the_qonnx_file(method, flow, kind, toy, tmp_path):
    """On ordinary jets and on jets far outside the training range: inputs saturate in hardware too."""
    from nanotrigger.qonnx.execute import execute

    (job,) = train(method, toy, tmp_path, seeds=(3,))
    module, hardware = load_method(method), load_flow(flow)
    module.export(job.folder, "qonnx", tmp_path / "model.onnx", {})
    module.export(job.folder, kind, tmp_path / f"export.{kind}", {})
    x = toy.standardised("test").x
    port_only = outliers(x[:40])
    project, params = tmp_path / "project", hardware.Params()
    project.mkdir()
    hardware.create_project(tmp_path / f"export.{kind}", kind, project, params)
    every = np.concatenate([x, port_only])
    expected, overflows = execute(tmp_path / "model.onnx", every)
    found = hardware.emulate(project, every, params)
    assert found.shape == expected.shape
    rows = np.flatnonzero((found != expected).any(1))
    # where a traced inner range is left, hardware may wrap: such rows are only allowed if the file counts them
    assert len(rows[rows < len(x)]) == 0
    assert len(rows) == 0 or overflows > 0


def test_hls4ml_refuses_what_it_would_build_inexactly(tmp_path):
    """Its QONNX front end takes Max and Min, but not with the precision that a per-element range needs."""
    from test_export import dense

    from nanotrigger.errors import ToolError
    from nanotrigger.flows import hls4ml
    from nanotrigger.qonnx.export import write_qonnx
    from nanotrigger.qonnx.fixed_point import FixedPointNetwork, Quantiser

    port = Quantiser(np.full(16, 0.25), np.full(16, -2.0), np.linspace(1.75, 3.75, 16) // 2 * 2 + 1.75, "ROUND")
    layer = dense(np.random.default_rng(0), 16, 5, 6, port, False)
    write_qonnx(FixedPointNetwork((layer,)), tmp_path / "model.onnx", {})
    with pytest.raises(ToolError, match="Max, Min"):
        hls4ml.create_project(tmp_path / "model.onnx", "qonnx", tmp_path / "project", hls4ml.Params())


@pytest.mark.parametrize("flow", [f for f in FLOWS if hasattr(load_flow(f), "simulate_netlist")])
def test_the_netlist_equals_the_qonnx_file(flow, tmp_path):
    """What synthesis made is simulated and counted; where its program is absent it says so and makes nothing up."""
    from test_export import network

    from nanotrigger.qonnx.execute import execute
    from nanotrigger.qonnx.export import write_qonnx

    module = load_flow(flow)
    write_qonnx(network(4, hidden_units=4), tmp_path / "model.onnx", {})
    (tmp_path / "project").mkdir()
    params = module.Params()
    module.create_project(tmp_path / "model.onnx", "qonnx", tmp_path / "project", params)
    if status := module.synthesize(tmp_path / "project", params).get("status"):
        pytest.skip(f"{flow}: {status}")
    x = np.random.default_rng(2).normal(size=(500, 16), scale=3).astype(np.float32)
    expected = execute(tmp_path / "model.onnx", x)[0]
    np.testing.assert_array_equal(module.simulate_netlist(tmp_path / "project", x, params), expected)
    record = module.read_report(tmp_path / "project", params)
    assert record.status == "done" and ((record.lut or 0) > 0 or (record.area_um2 or 0) > 0)
