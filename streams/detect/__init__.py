"""Detection: kinds of conditions over keyed event time, as pure state machines."""
