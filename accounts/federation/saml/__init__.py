"""SAML 2.0: this portal is one service provider, towards any number of identity providers."""
