"""Drawing a run: what was measured in, figures, tables and one self-contained page out. The home of matplotlib and jinja2."""
