"""The routes, one module for each thing they are about; each declares its contract where it stands."""
