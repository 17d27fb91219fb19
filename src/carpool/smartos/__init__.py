"""From a cluster to what SmartOS zones and Linux hosts run it with: pure functions to text."""
