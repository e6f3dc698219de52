"""Jets: generated with Pythia 8 or downloaded, as one HDF5 file with train, validation and test splits."""
