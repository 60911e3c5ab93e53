# The first thing that Ruby does: runs the program that the environment names, and ends with its status.
status = 0
begin
  load ENV.fetch("PROGRAM")
rescue SystemExit => ending
  status = ending.status
rescue Exception => problem
  $stderr.puts problem.full_message(highlight: false)
  status = 1
end
$stdout.flush
Process.exit!(status)
