"""What stands above the tables that are not of this report's own pages."""

CAPTIONS = {
    "dataset": "The jets by split and class. Repeated jets are test jets that have, in all 16 features, the values of a train "
    "or validation jet: of a published set this is reported, since it cannot be changed; generated ones are refused.",
    "golden": "The golden check: a published model must be right in exactly as many of the published test jets as its authors "
    "say; then jets, their order, standardisation and classes are the papers'. Any other number stops the run. Where the "
    "run's jets are not the published ones, or the model's file is not to be had, the status says so and nothing is claimed.",
    "sweeps": "Every point of the sweeps of which only some points are built. The figures are those of QONNX files, compared "
    "with their method on every validation and test jet and not kept. On the front: no other point has as few BOPs and a "
    "higher accuracy on the validation split; the accuracy is that on the test split, which has no part in the choice.",
}


def caption(name: str) -> str:
    """Caption of a table: its name where nothing else is to be said."""
    return CAPTIONS.get(name, name.replace("_", " "))
