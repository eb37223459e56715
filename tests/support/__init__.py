"""What tests share: fake servers, things to ask and be asked, processes to kill, peers to compare with."""
