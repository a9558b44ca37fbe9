from jobs.budgets.models.budget import Budget, Category, Payee
from jobs.budgets.models.lesson import Lesson
from jobs.budgets.models.snapshot import Snapshot
from jobs.budgets.models.suggestion import Suggestion

__all__ = ["Budget", "Category", "Lesson", "Payee", "Snapshot", "Suggestion"]
