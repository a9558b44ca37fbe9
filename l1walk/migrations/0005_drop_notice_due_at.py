from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("l1walk", "0004_notices_become_jobs")]
    operations = [
        migrations.RemoveIndex("l1walksession", "ix_l1_walk_sessions_notice"),
        migrations.RemoveField("l1walksession", "notice_due_at"),
    ]
