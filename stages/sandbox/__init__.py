"""Where untrusted text is interpreted: no room but this one runs what a model wrote."""
