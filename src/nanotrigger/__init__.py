"""nanotrigger: from collisions to gates, nanosecond neural networks for particle-physics triggers."""

__version__ = "0.1.0"
