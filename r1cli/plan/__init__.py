"""What a run would need, before anything is submitted. Pure functions of params and stated assumptions."""
