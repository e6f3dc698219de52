"""The batched quantisation-aware engine: many networks of one architecture, trained at once in torch."""
