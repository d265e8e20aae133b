"""Steps that train the supernet and measure how well it ranks."""
