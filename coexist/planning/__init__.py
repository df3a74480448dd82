"""From intent to mechanism: delays, whitelists and scopes that make the intent true."""
