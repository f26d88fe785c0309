"""How far vectors that are frozen tell the answers: estimates of what tuning would give; numpy."""
