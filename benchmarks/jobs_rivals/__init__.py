"""Four job queues in one Django project: what benchmarks/jobs.py sets side by side."""
