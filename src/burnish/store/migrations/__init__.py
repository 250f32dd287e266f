"""How the tables came to be: one module a step in `versions/`, run at open by `burnish.store.migrate`."""
