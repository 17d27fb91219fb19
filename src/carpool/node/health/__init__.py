"""Health checks: what makes this host a worse master than its peers, or none at all."""
