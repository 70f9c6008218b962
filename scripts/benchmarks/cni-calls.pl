# Executes CNI plugins as a runtime does, and times each from fork to exit. Not in Node.js, whose own share of a call
# would be larger than some plugins'. Usage: cni-calls.pl AT-ONCE <<< JOBS; a line per job: the plugin's file, the
# configuration's file, where its output goes, then variables of its environment. Prints a line per job, in ms, with
# the plugin's exit code; then one with the CPU time of all of them.
use strict;
use warnings;
use Time::HiRes qw(time);

my $at_once = shift;
my (%running, %result);
my $number = 0;

sub reap {
  my $pid = wait;
  my ($job, $started) = @{ delete $running{$pid} };
  $result{$job} = sprintf '%.3f %d', (time - $started) * 1000, $? >> 8;
}

for my $line (<STDIN>) {
  chomp $line;
  my ($plugin, $config, $output, @variables) = split ' ', $line;
  my %environment = map { split /=/, $_, 2 } @variables;
  reap while keys %running >= $at_once;
  my $started = time;
  my $pid = fork // die "fork: $!";
  if ($pid == 0) {
    %ENV = (PATH => $ENV{PATH}, %environment);
    open STDIN, '<', $config or die "$config: $!";
    open STDOUT, '>', $output or die "$output: $!";
    exec $plugin or die "$plugin: $!";
  }
  $running{$pid} = [$number++, $started];
}
reap while keys %running;
print "$result{$_}\n" for sort { $a <=> $b } keys %result;
my (undef, undef, $user, $system) = times;
printf "%.3f\n", ($user + $system) * 1000;
