"""Rule-based rewards: format, language, maths, code, and their scorer. Imports contract and sandbox only."""
