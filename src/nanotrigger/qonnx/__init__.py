"""The narrow waist: exact fixed-point networks as QONNX files, and what can be counted and run from them."""
