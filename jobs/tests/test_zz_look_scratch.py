import os, random
from datetime import timedelta
import pytest
from django.utils import timezone
from django.db.models.functions import Now
from jobs.tests.conftest import *
from jobs.tests.make import *
from jobs.tests.make import past_job
from jobs.tests.engine import change, take
from jobs.models import Worker, Schedule, JobAttempt
from jobs.actions.stopping import cancel_job, retry_job
from jobs.actions.kinds import KINDS
from l1walk.actions.tickets import open_ticket
import jobs.actions.kinds as K
pytestmark=[pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OUT="/tmp/pp/shots"; os.makedirs(OUT,exist_ok=True)

def crash(run):
    raise RuntimeError("boom at line 7")

@pytest.fixture
def world(account, alice, egon, mona, kind):
    from jobs.tests.kinds import register
    from jobs.actions.kinds import job_kind
    def reg(work,type,label,**o):
        job_kind(type,label=label,timeout=timedelta(seconds=30),queue="kit",**o)(work)
    reg(report,REPORT,"Generate a sosreport")
    reg(broken,BROKEN,"Sync a budget")
    reg(two_steps,STEPS,"Sync and suggest",steps=("fetch_pages","sync","suggestions"))
    reg(crash,"kit.crash","Send a text")
    t=open_ticket(account,by=alice,title="Printer on floor 2 does not print")
    ok=done(alice,subject=t)
    stepsdone=done(egon,STEPS)
    bad=done(alice,BROKEN,subject=t,metadata={"fullResync":True,"suggestionIds":["a","b"]})
    crashed=done(alice,"kit.crash")
    retried=done(alice,BROKEN); again=retry_job(retried,by=alice); 
    canceled=cancel_job(again,by=egon)
    now=timezone.now()
    rnd=random.Random(3)
    for i in range(60):
        past_job(rnd.choice([alice,egon]), now-timedelta(minutes=rnd.randint(70,1400)), rnd.choice(["succeeded"]*7+["failed","canceled"]), kind=rnd.choice([REPORT,STEPS,BROKEN]))
    running=make_job(alice,STEPS,t); begin(running,"host-a:812:ab")
    change(running,done=12,total=40,phase="Reading page 12 of the archive")
    stopping=make_job(alice); begin(stopping,"host-a:812:ab"); cancel_job(stopping,by=alice)
    lost=make_job(egon); begin(lost,"host-b:99:cd"); change(lost,lease_until=now-timedelta(minutes=2))
    Worker.objects.create(name="host-a:812:ab",host="host-a",pid=812,seen_at=now)
    Worker.objects.create(name="host-b:99:cd",host="host-b",pid=99,seen_at=now-timedelta(minutes=3))
    Schedule.objects.create(name="nightly sync",account=account,type=BROKEN,cron="15 3 * * *",time_zone="Europe/Berlin",next_at=now+timedelta(hours=5))
    Schedule.objects.create(name="often",account=account,type=REPORT,interval=timedelta(minutes=10),next_at=now+timedelta(minutes=5),last_at=now-timedelta(minutes=5),enabled=False)
    queued=make_job(alice,BROKEN)
    return dict(ok=ok.pk,steps=stepsdone.pk,bad=bad.pk,crashed=crashed.pk,retried=retried.pk,canceled=canceled.pk,running=running.pk,stopping=stopping.pk,queued=queued.pk,t=t.pk)

@pytest.mark.parametrize("scheme",["light","dark"])
@pytest.mark.parametrize("width",[1280,390])
def test_look(visit, world, alice, mona, axe, width, scheme):
    found=[]
    for who,paths in ((alice,["/jobs/","/jobs/?time=between&from=2026-01-01","/jobs/?subject={t}","/jobs/{running}/","/jobs/{stopping}/","/jobs/{bad}/","/jobs/{steps}/","/jobs/{retried}/","/jobs/{ok}/","/jobs/{queued}/","/"]),(mona,["/jobs/queues/","/jobs/queues/?by=day","/jobs/{crashed}/","/admin/jobs/job/","/admin/jobs/job/{crashed}/change/","/admin/jobs/schedule/","/admin/jobs/worker/"])):
        page=visit(who,color_scheme=scheme,viewport={"width":width,"height":844},reduced_motion="reduce")
        for p in paths:
            p=p.format(**world)
            page.goto(p)
            page.wait_for_timeout(400)
            found+= [f"{p}: {v}" for v in axe(page)]
            w=page.evaluate("document.documentElement.scrollWidth")
            if w>width and "admin" not in p: found.append(f"{p} wide {w}")
            name=p.strip("/").replace("/","-").replace("?","_")
            for k,v in world.items(): name=name.replace(str(v),k)
            page.screenshot(path=f"{OUT}/{name or 'home'}-{width}-{scheme}.png",full_page=True)
            if p=="/jobs/":
                page.locator(".jobs-menu > summary").click()
                page.wait_for_timeout(500)
                found+= [f"{p} drawer: {v}" for v in axe(page)]
                page.screenshot(path=f"{OUT}/drawer-{width}-{scheme}.png")
    assert not found, "\n".join(found)
