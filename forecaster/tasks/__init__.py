"""What there is to learn: one room for each kind of data, all of them trained by the one loop in `training`."""
