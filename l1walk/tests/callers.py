"""What callers say, and the flow of the demo that helps; None where no flow does."""

from __future__ import annotations

Table = list[tuple[str | None, str]]


def table(said: dict[str | None, str]) -> Table:
    """Return pairs of flow and problem; each line of a text is one call."""
    return [
        (flow, " ".join(line.split()))
        for flow, lines in said.items()
        for line in lines.strip().splitlines()
    ]


# Words and weights were chosen with these in sight.
LOOKED_AT = table(
    {
        "password-reset": """
        forgot my pasword
        I can't remember my passwort for Windows
        my pasword expired and I dont know what to do
        need my password reset please
        pw reset
        It says my credentials are wrong when I log in at the laptop, I had to \
        change them last week
    """,
        "locked-account": """
        account lockd
        My user account has been blocked after too many atempts
        locked out again!!! third time this week
        I'm locked out of my computer
    """,
        "printer-not-printing": """
        pritner doesnt work
        The prnter on the ground floor is jammed
        printing is not possible, job stuck in queue
        Printers offline
        toner
        can't print labels for the parcels, the whole warehouse is waiting, the \
        driver comes at four and my boss is already standing behind me, it worked \
        fine yesterday and nobody changed anything as far as I know
    """,
        "email-client": """
        outlok wont open
        emails are not comming in
        mail stuck in outbox
        My e-mails don't go out since lunch, customers complain
        mailbox full, can't send
    """,
        "wifi": """
        WLAN geht nicht
        wlan
        no internet on my laptop
        wifi keeps disconecting in the canteen
        Wireless is very slow in my office
        guest wifi for a visitor doesnt load any page
    """,
        "vpn": """
        vpn
        VPN Verbindung bricht ab
        cant connect to vpn from home, says certificate expired
        working from home and anyconnect does not connect
        vpn conection timeout
    """,
        "video-call-audio": """
        no sound in teams
        my mic is muted in zoom and I cannot unmute it, people say they cannot hear me
        webcam not working
        headsett has no audio in Teams call
        everyone hears an echo when I talk in the meeting
    """,
        "slow-computer": """
        my pc is realy slow today
        laptop freezing constantly
        Computer hangs every time I open two programs, the fan is loud
        takes ages to boot up, restarted it twice
    """,
        None: """
        I need a new chair
        When is the canteen open on Friday?
        Please order a second screen for my desk
        My phone has a broken display
        Can I get Photoshop installed
        The coffee machine on the 3rd floor is broken
        Someone stole my laptop from the train
        Please give Anna access to the finance folder
        The air conditioning in the meeting room is too cold
        need a new mobile contract
        Excel macro shows wrong totals
        I want to book a meeting room for Monday
        new colleague starts Monday, needs an account and a laptop
        Door badge does not open the gate
        The invoice from our supplier was sent to the wrong address
    """,
    }
)

# These were written when words and weights stood.
HELD_OUT = table(
    {
        "password-reset": """
        I forgot what my password is, I was on parental leave
        the system forces me to change my password but refuses the new one
        pasword resett
        Hi, it's Tom from sales, my PIN does not work any more on the new laptop \
        and I also can't recall the password, sorry about that
    """,
        "locked-account": """
        Acount blocked
        typed my password wrong too many times and now it is locked
        please unlock my user, I am with a customer
    """,
        "printer-not-printing": """
        paper is stuck in the printer again
        the copier/printer only gives out empty pages
        prints come out with stripes, cartridge is new
        Printr offlin
    """,
        "email-client": """
        Outlook stopped receiving anything since 8 am
        attachment too large, mail won't leave
        outlook is frozen
        I get no e-mails on my computer but the mobile gets them
    """,
        "wifi": """
        Wi-Fi password for guests?
        laptop cannot see the company wifi network
        WLAN weg im 2. Stock
        wirless signal weak at the window seat
    """,
        "vpn": """
        tunnel drops every 10 minutes when I am in the home office
        can't reach the intranet from home
        Globalprotect says no gateway
        VPN?
    """,
        "video-call-audio": """
        colleagues see a black picture instead of me
        Teams calls: microfone dead
        my headphones are silent in every Zoom meeting since the update
    """,
        "slow-computer": """
        laptop crawls since Monday, even the mouse lags
        PC freezes when opening files
        memory full warning and everything hangs, I have restarted twice already \
        and the fan sounds like a plane taking off
    """,
        None: """
        My desk lamp flickers
        Can somebody bring me a bigger monitor
        I want to change my last name in the phone book after my wedding
        How do I book a parking space for a visitor
        Adobe wants a serial number
        Please set up a shared calendar for our team
        My mouse is broken, I need another one
        Is there a training for the new ERP system
        SAP shows error 4711 when I post an invoice
        lost my key card
        The projector remote has no batteries
        Desk phone has no dial tone
    """,
    }
)
