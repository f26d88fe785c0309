"""What is on disk: bundles, runs, checkpoints, workspace. The only code that speaks SQL."""
