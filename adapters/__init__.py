"""How: one package per kind of hardware tool. Plain Python: no Django, no database."""
