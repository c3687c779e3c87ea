# The containers moved to a machine of their own.
{ }
