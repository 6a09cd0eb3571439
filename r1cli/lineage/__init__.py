"""Which rows made a checkpoint: questions answered from manifests, tables and ledgers, offline."""
