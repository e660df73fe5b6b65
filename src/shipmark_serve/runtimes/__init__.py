"""Files -> predictor, one module per runtime."""
