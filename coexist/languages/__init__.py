"""The languages of server configurations: text to tree with places; they know no inventory and no packet."""
