"""Plan, apply and roll back rendered configuration on servers over SSH."""
