"""Arithmetic on predictions: class and span metrics, intervals, calibration; numpy, no model."""
