"""Object solution times and the decoders behind them."""
