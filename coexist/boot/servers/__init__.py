"""How the products behave that answer booting clients: one module a product."""
