"""Measurements. They print figures with machine, versions and method, and assert nothing."""
