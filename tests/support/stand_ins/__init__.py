"""What stands in for services, models and devices."""
