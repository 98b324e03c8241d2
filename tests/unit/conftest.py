"""Settings of the property tests: the usual number of examples and no time limit."""

from hypothesis import HealthCheck, settings

settings.register_profile("unit", deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
settings.load_profile("unit")
