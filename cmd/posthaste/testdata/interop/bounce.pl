# Reads a bounce on standard input as list managers do and prints who is to be dropped, and why.
use strict;
use warnings;
use Mail::DeliveryStatus::BounceParser;

my $bounce = Mail::DeliveryStatus::BounceParser->new(join '', <STDIN>);
print "bounce: ", $bounce->is_bounce ? "yes" : "no", "\n";
for my $r ($bounce->reports) {
    printf "%s: %s, %s\n", $r->get('email'), $r->get('std_reason'), $r->get('smtp_code') // '-';
}
