"""What a reader must know of single tables: shown above them, by the name of their file."""

CAPTIONS = {
    "dataset": "The run's jets, by split and class. Repeated jets are test jets that have, in all 16 features, the values of a "
    "train or validation jet: of a published set this is reported, since it cannot be changed; generated ones are refused. "
    "`standardised_on` names the splits whose mean and standard deviation scale the features, `checked_by` what vouches for "
    "the published files.",
    "jets": "The generated jets of each class. Cross section: Pythia's estimate for the hard process, its partons between 995 "
    "and 1005 GeV of transverse momentum, decays as switched on. Acceptance: jets in the window of pT and pseudorapidity with "
    "more than one particle left by grooming, of all that the generated events can give, with its 95 % interval. Peaks: a "
    "Gaussian, fitted to the core of the groomed mass; its sigma is the detector's and the jet's, not the particle's width. "
    "PDG: Phys. Rev. D 110 (2024) 030001. Rates are empty of jets that were not generated here.",
    "golden": "A published model must be right in exactly as many of the published test jets as its authors say: then jets, "
    "their order, standardisation and classes are the papers'. Any other number stops the run. Where the run's jets are not "
    "the published ones, or the model's file is not to be had, `status` says so and nothing is claimed.",
    "sweeps": "Every point of the sweeps of which only some points are built. The figures are those of QONNX files, which were "
    "compared with their method on every jet of the validation and test split and not kept. `on_front`: no other point of the "
    "sweep has as few BOPs (2304.06745) and a higher accuracy on the validation split; the accuracy is that on the test split, "
    "which has no part in the choice.",
    "published": "Every published row with how it stands in this run: comparable, excepted by `run.compare`, grey (something "
    "differs) or refused.",
}
