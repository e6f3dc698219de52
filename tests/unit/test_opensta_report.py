"""OpenSTA's reports: as version 2.0.17 writes them, and in layouts that are not known."""

import pytest

from nanotrigger.errors import ToolError
from nanotrigger.reports.opensta import design_power, instance_power, worst_slack_ns

POWER = """Group                    Internal    Switching      Leakage        Total
                            Power        Power        Power        Power
------------------------------------------------------------------------
Sequential           2.085160e-02 9.546858e-04 7.055818e-08 2.180636e-02  62.3%
Combinational        8.756693e-03 4.418915e-03 3.108595e-07 1.317592e-02  37.7%
Macro                0.000000e+00 0.000000e+00 0.000000e+00 0.000000e+00   0.0%
Pad                  0.000000e+00 0.000000e+00 0.000000e+00 0.000000e+00   0.0%
------------------------------------------------------------------------
Total                2.960832e-02 5.373619e-03 3.814177e-07 3.498232e-02 100.0%
                            84.6%        15.4%         0.0%
     Internal    Switching      Leakage        Total
        Power        Power        Power        Power
----------------------------------------------------
 4.745760e-05 5.881062e-07 1.607250e-10 4.804587e-05 s0/c1
 6.392357e-07 2.860748e-07 2.217410e-11 9.253326e-07 s0/c0
"""


@pytest.fixture
def report(tmp_path):
    def write(text):
        (tmp_path / "a.rpt").write_text(text)
        return tmp_path / "a.rpt"

    return write


def test_figures(report):
    power = design_power(report(POWER))
    assert (power.internal, power.switching) == pytest.approx((29.60832, 5.373619))
    assert power.leakage == pytest.approx(3.814177e-4) and power.total == pytest.approx(34.98232)
    instances = instance_power(report(POWER))
    assert set(instances) == {"s0/c0", "s0/c1"}
    assert instances["s0/c1"].total == pytest.approx(4.804587e-2)
    assert (power - instances["s0/c1"]).internal == pytest.approx(29.60832 - 0.0474576)
    for text, value in (("worst slack 0.857713\n", 0.857713), ("path\n\nworst slack -1.5e-03\n", -0.0015)):
        assert worst_slack_ns(report(text)) == value


@pytest.mark.parametrize(
    "read, old, new, message",
    [
        (design_power, "Total   ", "Sum     ", "holds 0 totals"),
        (design_power, "Internal    Switching", "Switching    Internal", "no table of power with the columns Internal"),
        (design_power, "2.960832e-02", "2.960832e-01", "add up to"),
        (design_power, "5.373619e-03", "nan", "holds 0 totals"),
        (instance_power, "     Internal    Switching", "     Power", "no table of power"),
        (instance_power, "4.745760e-05", "4.745760e-03", "add up to"),
        (worst_slack_ns, "", "", "holds 0 worst slacks"),
        (worst_slack_ns, "Group", "worst slack INF\nGroup", "holds 0 worst slacks"),
        (worst_slack_ns, "Group", "worst slack 1.0\nworst slack 2.0\nGroup", "holds 2 worst slacks"),
    ],
)
def test_what_is_not_understood_raises(report, read, old, new, message):
    with pytest.raises(ToolError, match=rf"a\.rpt: .*{message}"):
        read(report(POWER.replace(old, new, 1) if old != "     Internal    Switching" else POWER.replace(old, new)))


def test_a_report_that_is_missing(tmp_path):
    for read in (design_power, instance_power, worst_slack_ns):
        with pytest.raises(ToolError, match=r"none\.rpt: the report is not there"):
            read(tmp_path / "none.rpt")
