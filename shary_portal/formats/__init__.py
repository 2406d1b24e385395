"""How the portal writes times on pages that the server draws."""
