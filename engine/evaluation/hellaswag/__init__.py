"""HellaSwag: contexts with four endings each, of which a model has to find the right one."""
