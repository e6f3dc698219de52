"""Ways to hardware: one module each. A new one is one file (or a dotted path in a stanza) and one stanza."""
