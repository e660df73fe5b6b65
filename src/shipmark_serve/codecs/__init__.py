"""Between the bytes of `/predict` and the values that a predictor takes and gives.

A codec is prepared once, when the model is loaded, from what the model says of itself.
"""
