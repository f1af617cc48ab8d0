"""What doctor looks at: one module a party of the chain, none of which knows of a terminal or changes anything."""
